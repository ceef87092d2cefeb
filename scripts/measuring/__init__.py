"""What the measurements share: records, trainings, timing, networks, tasks."""
