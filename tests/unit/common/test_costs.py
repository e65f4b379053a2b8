"""What jobs cost: energy from the system's own counters, and time over attempts."""

import json
import subprocess

import pytest

from seqlm.common import costs
from seqlm.common.costs import CostLog
from seqlm.common.energy import EnergyMeter


def processors(folder, **microjoules):
    """A made-up /sys/class/powercap: packages, and a core domain that lies in the first."""
    for name, value in {**microjoules, "intel-rapl:0:0": 5}.items():
        place = folder / name.replace("package", "intel-rapl:")
        place.mkdir(exist_ok=True)
        (place / "energy_uj").write_text(f"{value}\n")
        (place / "max_energy_range_uj").write_text("10000000\n")


def test_energy_is_that_of_all_packages_though_a_counter_begins_anew(tmp_path):
    processors(tmp_path, package0=9_000_000, package1=1_000_000)
    meter = EnergyMeter("cpu", rapl=tmp_path)
    meter.start()
    processors(tmp_path, package0=500_000, package1=1_250_000)  # 1.5 J, over the end of the counter, and 0.25 J
    assert meter.total() == pytest.approx(1.75)
    processors(tmp_path, package0=700_000, package1=1_250_000)
    assert meter.total() == pytest.approx(1.95)
    (tmp_path / "intel-rapl:1/energy_uj").unlink()
    assert meter.total() == pytest.approx(1.95)


def test_energy_that_nobody_counts_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "EnergyMeter", lambda device: EnergyMeter(device, rapl=tmp_path))
    with CostLog("fit") as cost:
        pass
    assert "energy_joules" not in cost.totals() and "wall_seconds" not in cost.totals()
    processors(tmp_path, package0=0)
    with CostLog("fit") as cost:
        processors(tmp_path, package0=2_000_000)
    assert cost.totals()["energy_joules"] == pytest.approx(2)


def test_time_and_energy_of_a_lost_attempt_count(tmp_path, monkeypatch):
    clock, spent = iter(range(0, 1000, 100)), {"wall_seconds": 50.0, "attempts": 1, "energy_joules": 7.0}
    monkeypatch.setattr(costs.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(costs, "EnergyMeter", lambda device: EnergyMeter(device, rapl=tmp_path))
    processors(tmp_path, package0=0)
    with CostLog("fit", previous={"seconds": 30.0, "samples": 10} | spent) as cost:
        processors(tmp_path, package0=1_000_000)
        cost.add(samples=5)
    cost.write(tmp_path)
    found = json.loads((tmp_path / "cost.json").read_text())
    assert (found["seconds"], found["wall_seconds"], found["attempts"]) == (130, 150, 2)
    assert found["samples"] == 15 and found["energy_joules"] == pytest.approx(8)


def test_the_time_in_a_queue_stands_apart(monkeypatch):
    def squeue(command, **_):
        assert command[:4] == ["squeue", "-h", "-j", "17"]
        return subprocess.CompletedProcess(command, 0, stdout="2026-11-26T23:59:30|2026-11-27T00:01:00\n")

    monkeypatch.setattr(costs.subprocess, "run", squeue)
    costs.queue_seconds.cache_clear()
    assert costs.queue_seconds() is None
    costs.queue_seconds.cache_clear()
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with CostLog("fit") as cost:
        pass
    assert cost.totals()["queue_seconds"] == 90 and cost.totals()["seconds"] < 60
    costs.queue_seconds.cache_clear()
