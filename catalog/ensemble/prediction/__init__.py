"""Prediction: labels of all stars of a run, streamed from the database and back."""
