"""What a layer does to the numbers that pass it, by its class name: asked by every tool, so that all of them agree."""

# They change the samples that a network is trained on, and nothing in inference.
AUGMENTATIONS = (
    *("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomShear", "RandomPerspective"),
    *("RandomContrast", "RandomBrightness", "RandomHue", "RandomSaturation", "RandomSharpness", "RandomColorJitter"),
    *("RandomColorDegeneration", "RandomGrayscale", "RandomInvert", "RandomPosterization", "RandomGaussianBlur"),
    *("RandomErasing", "RandomElasticTransform", "RandAugment", "AugMix", "CutMix", "MixUp"),
)
# Nothing of these is left in inference.
TRAINING_ONLY = (
    *AUGMENTATIONS,
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout"),
    *("AlphaDropout", "ActivityRegularization", "Identity"),
)
# What stands before the grid of the input stays outside of the network.
PREPARATIONS = ("Rescaling", "Normalization", *AUGMENTATIONS)
# The numbers stay, and their order: another shape is all.
RENAMING = ("Flatten", "Reshape")
# Behind the last layer that works they act on the outputs in place: the C leaves them out.
HEADS = (*TRAINING_ONLY, *RENAMING, "Activation", "Softmax", "ReLU", "LeakyReLU")
# The grid of the input.
INPUT_GRID = "InputQ"
# Their outputs lie on the grid of their input.
KEEPING_GRID = (
    *RENAMING,
    "Permute",
    *TRAINING_ONLY,
    *("MaxPooling1D", "MaxPooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"),
    *("ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D", "UpSampling1D"),
)
