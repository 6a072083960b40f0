"""The Jacobian of a dense encoder in PyTorch, by hand."""

import torch
from torch import nn


def slope_of(args, before):
    """The derivative of the activation."""
    match args.activation:
        case "relu":
            return (before > 0).float()
        case "tanh":
            return 1 - torch.tanh(before) ** 2
    raise SystemExit("the Jacobian is written for relu and tanh only")


def jacobian_by_hand(args, encode, x):
    """The code and the squared norm of its Jacobian (Rifai 2011), from the code's side to the data's: by rows of
    Jacobians to the end or, `gram`, with W^T W of the first layer in place of the last product."""
    layers = [layer for layer in encode if isinstance(layer, nn.Linear)]
    activation, hidden, slopes = [*encode, nn.Identity()][1], x, []
    for layer in layers[:-1]:
        before = layer(hidden)
        slopes.append(slope_of(args, before))
        hidden = activation(before)
    first, head = layers[0].weight, layers[-1].weight
    if args.by == "gram" and len(layers) == 2:
        gram = (first @ first.t()) * (head.t() @ head)
        return layers[-1](hidden), ((slopes[0] @ gram) * slopes[0]).sum(1)
    rows = head * slopes[-1].unsqueeze(1)  # [batch, outputs, width]
    for layer, slope in zip(layers[-2:0:-1], slopes[-2::-1]):
        rows = (rows @ layer.weight) * slope.unsqueeze(1)
    norm = (rows @ (first @ first.t())) * rows if args.by == "gram" else (rows @ first) ** 2
    return layers[-1](hidden), norm.flatten(1).sum(1)
