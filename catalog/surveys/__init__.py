"""Survey files: readers of their official formats, and the ingest into the database."""

from catalog.surveys.products import PRODUCTS, SurveyFile, open_survey, product_named

__all__ = ["PRODUCTS", "SurveyFile", "open_survey", "product_named"]
