"""Joules that a stage took, where the device counts them: NVML of GPUs, RAPL of CPUs."""

import time
from pathlib import Path

RAPL = "/sys/class/powercap"
OFTEN = 60  # seconds: a processor's counter overflows after some minutes at full power


class EnergyMeter:
    """Energy since `start`, of a job's GPU or of the machine's processors with all that runs on them.

    Parameters
    ----------
    device : str
    rapl : path
        Where Linux shows the processors' counters; most systems let root alone read them.
    """

    def __init__(self, device="cpu", rapl=RAPL):
        self.counters = _gpu_counters(device) if device.startswith("cuda") else _package_counters(rapl)
        self.joules, self.last, self.read_at = 0.0, None, 0.0

    def start(self):
        self.last, self.read_at = self._read(), time.monotonic()

    def update(self):
        """Count on, now and then: a counter that overflows twice between two readings would be misread."""
        if time.monotonic() - self.read_at >= OFTEN:
            self.total()

    def total(self):
        """Joules since the start; None where nothing counts them."""
        if self.last is None:
            return None
        now = self._read()
        if now is None:
            return self.joules
        for (_, limit), new, old in zip(self.counters, now, self.last, strict=True):
            self.joules += (new - old if new >= old else new - old + limit) / 1e6
        self.last, self.read_at = now, time.monotonic()
        return self.joules

    def _read(self):
        """Microjoules of each counter; None where one cannot be read."""
        try:
            return [read() for read, _ in self.counters] or None
        except Exception:  # a driver's or system's refusal of any kind: energy is told where it can be
            self.counters = []
            return None


def _package_counters(folder):
    """(reading, largest value) of each processor: a package's counter, whose parts (core, dram) lie in it."""
    found = []
    try:
        for place in sorted(Path(folder).glob("intel-rapl:*")):
            if place.name.count(":") == 1:  # AMD's are called so, too
                file = place / "energy_uj"
                file.read_text()
                found.append(
                    (lambda file=file: int(file.read_text()), int((place / "max_energy_range_uj").read_text()))
                )
    except (OSError, ValueError):
        return []
    return found


def _gpu_counters(device):
    """(reading, no limit) of the GPU that torch computes on, where nvidia-ml-py is installed."""
    try:
        import pynvml
        import torch

        pynvml.nvmlInit()
        name = str(torch.cuda.get_device_properties(device).uuid)
        handle = pynvml.nvmlDeviceGetHandleByUUID(name if name.startswith("GPU-") else f"GPU-{name}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # no such package, an old card or driver
        return []
    return [(lambda: 1000 * pynvml.nvmlDeviceGetTotalEnergyConsumption(handle), 0)]
