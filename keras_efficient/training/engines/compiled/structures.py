"""The structs of step.c."""

import ctypes

PAD, ADD, CONVOLUTION, MAXIMUM, AVERAGE, ACTIVATION, DROPOUT = range(7)
NEAREST, FLOOR, MID_RISE = range(3)


def _fields(kind, names):
    return [(name, kind) for name in names.split()]


class CGrid(ctypes.Structure):
    _fields_ = [
        *_fields(ctypes.c_int32, "rounding first count scale channels"),
        *_fields(ctypes.c_float, "low high resolution"),
    ]


class Fold(ctypes.Structure):
    _fields_ = [
        *_fields(ctypes.c_int32, "kernel count channels bias folded_bias gamma beta mean variance"),
        ("epsilon", ctypes.c_float),
    ]


class COperation(ctypes.Structure):
    _fields_ = [
        *_fields(ctypes.c_int32, "kind input output skip"),
        *_fields(ctypes.c_int32, "rows columns channels out_rows out_columns out_channels"),
        *_fields(ctypes.c_int32, "window_rows window_columns row_stride column_stride top left"),
        *_fields(ctypes.c_int32, "groups kernel bias relu grid"),
        *_fields(ctypes.c_uint32, "threshold seed counter"),
        ("keep", ctypes.c_float),
    ]


class CNetwork(ctypes.Structure):
    _fields_ = [
        *_fields(ctypes.c_int32, "operations grids folds tensors parameters"),
        *_fields(ctypes.c_void_p, "operation grid fold cells gradient"),
    ]


class CSegment(ctypes.Structure):
    _fields_ = _fields(ctypes.c_int32, "first count decays moments")


class Adam(ctypes.Structure):
    _fields_ = [
        *_fields(ctypes.c_double, "learning_rate beta_1 beta_2 epsilon weight_decay"),
        ("iterations", ctypes.c_int64),
        ("segments", ctypes.c_int32),
        *_fields(ctypes.c_void_p, "segment momentum velocity"),
    ]


# In the order of `ke_sizes`.
STRUCTURES = (CGrid, Fold, COperation, CNetwork, CSegment, Adam)
