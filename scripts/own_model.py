"""From a plain Keras model to C: the lines of the README."""

import keras

import keras_efficient as ke

layers, data = keras.layers, ke.datasets.load_dataset("digits")
inputs = keras.Input((8, 8, 1))
x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(12, 3, padding="same")(inputs)))
x = layers.ReLU()(layers.Add()([x, layers.Conv2D(12, 3, padding="same")(x)]))
model = keras.Model(inputs, layers.Dense(10, "softmax")(layers.Flatten()(layers.MaxPooling2D(2)(x))))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(data.x_train, data.y_train, epochs=20, verbose=2)
small = ke.quantize_model(model, kernel_bits=4, activation_bits=4, x=data.x_train[:256])
small.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
small.fit(data.x_train, data.y_train, epochs=5, validation_data=(data.x_val, data.y_val), verbose=2)
print(ke.estimate_storage(small))
print(ke.export_c(small, "firmware"))
