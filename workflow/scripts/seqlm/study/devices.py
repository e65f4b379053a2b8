"""How many processes the trainings of a study run in, each on a device of its own."""

from seqlm.common.errors import InputError
from seqlm.models.registry import NETWORKS, network


def backbone_devices(config, name):
    """Devices that a backbone is pretrained on.

    Parameters
    ----------
    config : dict
        A study's, checked.
    name : str
    """
    own = config["backbones"][name]
    return own.get("devices", config["devices"]) if own.get("steps") else 1


def model_devices(config, name):
    """Devices that a model is trained on; one for those that are solved for or have to see whole batches."""
    own = config["models"][name]
    return own.get("devices", config["devices"]) if _can_share(own) else 1


def nodes_of(config, devices):
    """Nodes of a cluster that so many devices are on."""
    return max(1, devices // (config.get("devices_per_node") or devices))


def check_devices(config):
    """Refuse devices where an entry could make no use of them, and numbers that no nodes have.

    Raises
    ------
    InputError
    """
    for name, model in config["models"].items():
        if "ensemble" not in model and model.get("devices", 1) > 1 and not _can_share(model):
            problem = "this model is trained in one process"
            raise InputError(f"config, models.{name}.devices", problem, "leave devices out")
    for name, backbone in config["backbones"].items():
        if "hub" in backbone and "devices" in backbone:
            mend = f"give devices to the models on {name}"
            raise InputError(f"config, backbones.{name}.devices", "a model of the hub is not pretrained here", mend)

    most = config.get("devices_per_node")
    asked = {"devices": config["devices"]}
    asked |= {f"backbones.{name}.devices": own.get("devices", 1) for name, own in config["backbones"].items()}
    asked |= {f"models.{name}.devices": own.get("devices", 1) for name, own in config["models"].items()}
    for name, devices in asked.items():
        if most and devices > most and devices % most:
            problem = f"{devices} devices cannot be dealt out evenly to nodes of {most}"
            raise InputError(f"config, {name}", problem, f"use a multiple of {most}: devices_per_node says so")


def _can_share(model):
    if "ensemble" in model or model.get("head") == "linear":
        return False
    return model.get("network") not in NETWORKS or network(model["network"]).shared
