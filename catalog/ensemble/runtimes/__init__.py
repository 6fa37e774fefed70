"""Runtimes: ways to compute what Keras would, in less time.

===============  ===============================================================================
``compiled``     kernels of our own for this processor (`catalog.ensemble.runtimes.compiled`)
``openvino``     OpenVINO in single precision, from a graph that is written from the weights
``onnxruntime``  ONNX Runtime, from the same graph
``jax``          Keras on JAX with the members stacked, for GPUs
``keras``        Keras itself: the reference that every other one must agree with
===============  ===============================================================================
"""

from catalog.ensemble.runtimes.base import Runtime, Session
from catalog.ensemble.runtimes.choice import TOLERANCE, Predictor, choose_runtime
from catalog.ensemble.runtimes.keras import PREDICTION_BATCH, predict_scaled

__all__ = ["PREDICTION_BATCH", "TOLERANCE", "Predictor", "Runtime", "Session", "choose_runtime", "predict_scaled"]
