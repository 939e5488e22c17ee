import numpy as np
import numpy.typing as npt

def huffman_paths(
    counts: npt.ArrayLike,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.int64]]: ...
