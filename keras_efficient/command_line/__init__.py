"""The commands of `keras-efficient`, a module each: what their options ask for, and what is printed."""
