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


def check_devices(config):
    """Refuse devices where an entry could make no use of them.

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


def _can_share(model):
    if "ensemble" in model or model.get("head") == "linear":
        return False
    return model.get("network") not in NETWORKS or network(model["network"]).shared
