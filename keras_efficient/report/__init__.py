"""The report of a run: a self-contained HTML page, and the lines printed at the end.

It needs result.json only, and never imports Keras.
"""

from keras_efficient.report.page import write_report
from keras_efficient.report.result import load_result
from keras_efficient.report.summary import summary_table

__all__ = ["load_result", "summary_table", "write_report"]
