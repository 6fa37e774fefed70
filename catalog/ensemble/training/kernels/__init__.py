"""The convolution blocks of a network in training, forwards and backwards, by kernels compiled for this processor.

Prediction's kernels (`catalog.ensemble.runtimes.compiled`) go forwards, and backwards with mirrored weights; here is
what training needs besides. Everything else of the training stays with Keras: dense layers, dropout, loss, penalties
and the optimiser see one layer with the weights of all convolutions.
"""
