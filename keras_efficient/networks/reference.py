"""Networks that are known by name, as descriptions."""

# The network of Gural & Murmann, ICML 2019: 99.15 % on MNIST in 1,947 bytes, 28 x 28 x 1.
MNIST_2KB = [
    ["A", 2, 4],
    ["C", 5, 3, 3, 1, 1, 4, 8, 4],
    ["C", 8, 3, 3, 1, 1, 4, 8, 4],
    ["C", 11, 3, 3, 1, 1, 4, 8, 4],
    ["M", 2, 4],
    ["D", 0.1, 4],
    ["S", 10, 4, 8, 8],
]

# For the 8 x 8 x 1 digits that come with scikit-learn.
DIGITS = [
    ["C", 12, 3, 3, 1, 1, 4, 8, 4],
    ["C", 16, 3, 3, 1, 1, 4, 8, 4],
    ["M", 2, 4],
    ["D", 0.1, 4],
    ["S", 10, 4, 8, 8],
]
