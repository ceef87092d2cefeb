"""`python -m keras_efficient` is the command `keras-efficient`."""

from keras_efficient.cli import main

if __name__ == "__main__":
    main()
