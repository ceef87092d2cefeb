"""Public names that are imported when one of them is first asked for: most programs need a few of them."""

from keras_efficient import export as export
from keras_efficient import training as training
from keras_efficient.export import FirmwareEstimate as FirmwareEstimate
from keras_efficient.export import FirmwareReport as FirmwareReport
from keras_efficient.export import LitertReport as LitertReport
from keras_efficient.export import SupportReport as SupportReport
from keras_efficient.export import estimate_firmware as estimate_firmware
from keras_efficient.export import export_c as export_c
from keras_efficient.export import export_litert as export_litert
from keras_efficient.export import support_report as support_report
from keras_efficient.training import Halving as Halving
from keras_efficient.training import Selection as Selection
from keras_efficient.training import Stage as Stage
from keras_efficient.training import selection_score as selection_score
from keras_efficient.training import train_network as train_network
