"""The other sides of the comparisons, each in a process or a build of its own."""
