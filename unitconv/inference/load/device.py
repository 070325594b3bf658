"""Choice of the device and of the number format."""

from __future__ import annotations

import os

import torch

from unitconv.inference.load.errors import ModelError, reason_of

# For bf16 on a CPU, oneDNN and torch each keep 1,024 compiled products, by
# the shapes of their operands. In decoding these change with every token:
# 1,000 long replies of SmolLM2 took 15 GB. A layer needs about ten.
for _cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_cache, "32")

#: Kinds of devices. After cuda there may be a number: "cuda:1".
DEVICES = ("cpu", "cuda", "mps")
DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def pick_device(device: str | None = None) -> torch.device:
    """Return the device asked for, or the fastest there is.

    Raises:
        ModelError: a device this machine, or torch, does not have.
    """
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    if device.partition(":")[0] not in DEVICES:
        raise ModelError(
            f"no device {device!r}: choose from {', '.join(DEVICES)}"
        )
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()
    # torch raises the first for a number that it does not know, the second
    # where it was built without CUDA, the third where it has no MPS.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelError(
            f"no device {device!r} here: {reason_of(error)}"
        ) from error
    return chosen


def pick_dtype(
    device: torch.device, dtype: str | torch.dtype | None = None
) -> torch.dtype:
    """Return the precision asked for, or the best the device computes in.

    GPUs below compute capability 8, such as a T4, emulate bfloat16 slowly.

    Raises:
        ModelError: an unknown dtype.
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype is not None:
        if dtype not in DTYPES:
            raise ModelError(
                f"unknown dtype {dtype!r}: choose from {', '.join(DTYPES)}"
            )
        return DTYPES[dtype]
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16
    return torch.float32


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether bfloat16 products are faster than float32 ones.

    True for GPUs from Ampere on, and for CPUs with bfloat16 instructions.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    # torch 2.9 cannot say: then float32 is the safe guess.
    say = getattr(torch.cpu, "get_capabilities", None)
    can = say() if say else {}
    return bool(can.get("amx_bf16") or can.get("avx512_bf16"))
