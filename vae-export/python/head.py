"""TITLE

    model = Model()                                              # reads the files beside this one
    model.encoder(rows)                                          # gives a dictionary of tensors, as the others do
    safetensors.torch.save_file(model.state_dict(), "new.safetensors")     # for `vae import`

What each function takes and gives stands with it; the batch may have any size. Normalisation uses the statistics of the
training, and there is no dropout. It needs torch and safetensors.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, folder=Path(__file__).parent):
        super().__init__()
        for name, value in load_file(Path(folder) / "model.safetensors").items():
            *path, last = name.split(".")
            module = self
            for part in path:
                if part not in dict(module.named_children()):
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            if "running" in name:
                module.register_buffer(last, value)
            else:
                module.register_parameter(last, nn.Parameter(value))
        # What was not learned: scalers, noise, what is usual.
        self.constants = load_file(Path(folder) / "constants.safetensors")

    def weights(self):
        return dict(self.named_parameters()) | dict(self.named_buffers())

    def _apply(self, change, recurse=True):
        self.constants = {name: change(value) for name, value in self.constants.items()}
        return super()._apply(change, recurse)
