"""The reference architectures as Keras models, with convolutions that others can replace."""
