"""How much of a backbone is trained: nothing, its upper layers, all of it, or low-rank additions (LoRA).

LoRA (Hu et al. 2022) trains two thin matrices beside each linear map of the layers. Their product is added to the map
when training is over, so that the bundle is an ordinary model that needs no peft.
"""

from torch import nn

from seqlm.common.errors import InputError
from seqlm.models.language.backbone import BackboneModel
from seqlm.models.language.encoders import layers_of

# Maps of a Mamba whose weights its kernels read without calling them: what stands beside them would be passed by.
_FUSED = ("x_proj", "dt_proj", "out_proj")


def tuned(backbone, tokenizer, train="head", rank=8, alpha=16, lora_dropout=0.05, **options):
    """A head on a backbone, ready to be trained.

    Parameters
    ----------
    backbone : PreTrainedModel
    tokenizer : PreTrainedTokenizerBase
    train : {"head", "all", "lora"}, int or {"freeze": n}
        A number trains that many upper layers. ``freeze`` keeps the embedding and the n lowest layers as they are; a
        number below 1 is a fraction of the layers.
    rank, alpha, lora_dropout
        Of LoRA.
    options
        Further fields of `seqlm.models.language.backbone_config.BackboneConfig`.

    Returns
    -------
    BackboneModel
        After training, `finish` must see it.

    Raises
    ------
    InputError
        There is no such way to train, not as many layers, or LoRA cannot be put beside the backbone's.
    """
    how = "head" if train == "lora" else layers_to_train(backbone, train)
    model = BackboneModel.on(backbone, tokenizer, train=how, **options)
    if train == "lora":
        _add_lora(model, rank, alpha, lora_dropout)
    return model


def finish(model):
    """Fold LoRA into the weights it stands beside; any other model is returned as it is."""
    for name, module in list(model.named_modules()):
        if hasattr(module, "lora_A") and hasattr(module, "get_base_layer"):
            module.merge()
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, module.get_base_layer())
    for parameter in model.backbone.parameters():
        parameter.requires_grad_(parameter.requires_grad and model.config.train != "head")
    return model


def layers_to_train(backbone, train):
    """What `BackboneConfig` calls it: "head", "all" or the number of upper layers.

    Raises
    ------
    InputError
        There is no such way, or there are not as many layers to freeze.
    """
    if not isinstance(train, dict):
        return train
    n, freeze = len(layers_of(backbone)), train.get("freeze", -1)
    frozen = round(freeze * n) if 0 < freeze < 1 else freeze
    if set(train) != {"freeze"} or frozen != int(frozen) or not 0 <= frozen <= n:
        raise InputError("train", f"cannot freeze {freeze} of {n} layers", f"give a fraction or a number from 0 to {n}")
    return n - int(frozen) or "head"


def _add_lora(model, rank, alpha, dropout):
    from peft import LoraConfig, inject_adapter_in_model
    from transformers.pytorch_utils import Conv1D

    layers = layers_of(model.backbone)
    prefix = next(name for name, module in model.backbone.named_modules() if module is layers)
    linear = [name for name, module in layers.named_modules() if isinstance(module, nn.Linear | Conv1D)]
    kind = model.backbone.config.model_type
    if "mamba" in kind or "caduceus" in kind:
        linear = [name for name in linear if name.rpartition(".")[2] not in _FUSED]
    names = [f"{prefix}.{name}" for name in linear]
    # Two matrices beside each of two maps that are one would be added to it twice.
    tied = model.backbone.all_tied_weights_keys
    tied = {name.rpartition(".")[0] for pair in tied.items() for name in pair}
    if not set(names) - tied:
        problem = f"LoRA does not fit a backbone of type {kind} (its maps are shared)"
        raise InputError("train", problem, "use train: head, all or {freeze: n}")
    names = [name for name in names if name not in tied]
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=names)
    try:
        inject_adapter_in_model(config, model.backbone)
    except ValueError as error:  # peft knows which kinds of layers LoRA cannot be put beside
        problem = f"LoRA does not fit a backbone of type {kind} ({error})"
        raise InputError("train", problem, "use train: head, all or {freeze: n}") from None
    model.config.lora = {"rank": rank, "alpha": alpha}
    for name, parameter in model.backbone.named_parameters():
        parameter.requires_grad_("lora_" in name)
    model._trained = {
        part for name, module in model.backbone.named_modules() if "lora_" in name for part in module.modules()
    }
