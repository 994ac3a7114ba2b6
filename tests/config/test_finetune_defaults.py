"""Defaults of fine-tuning and the lines that announce them."""

from atomgraph.config import read_finetune_config
from atomgraph.config.finetune_defaults import resolve_fit


def test_one_epoch_of_warm_up_is_singular():
    config = {"start": {"model": "start"}, "data": {"train": "mine.xyz"}, "output": {"folder": "runs/tuned"}}
    for epochs, line in ((20, "1 epoch of warm-up, then cosine"), (40, "2 epochs of warm-up, then cosine")):
        _, chosen = resolve_fit(read_finetune_config(config | {"fit": {"max_epochs": epochs}}), 100, "float32")
        assert line in chosen
