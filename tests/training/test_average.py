import lightning.pytorch as pl
import torch

from atomgraph.training import WeightAverage


class Step:
    global_step = 0


def test_average_is_the_geometric_sum_of_the_weights():
    task = pl.LightningModule()
    task.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    task.frozen = torch.nn.Parameter(torch.ones(1), requires_grad=False)
    average, trainer, expected = WeightAverage(0.9), Step(), 0.0
    average.on_train_start(trainer, task)
    for step in range(1, 200):
        trainer.global_step = step
        task.weight.data = torch.tensor([float(step)], dtype=torch.float64)
        for _ in range(2):  # the second batch is accumulated: no step was taken
            average.on_train_batch_end(trainer, task, None, None, 0)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert list(average.average) == ["weight"]
    torch.testing.assert_close(
        average.average["weight"], torch.tensor([expected], dtype=torch.float64), rtol=1e-12, atol=0
    )


def test_validation_uses_the_average_and_training_the_weights():
    task = pl.LightningModule()
    task.weight = torch.nn.Parameter(torch.tensor([1.0]))
    average = WeightAverage(0.5)
    average.average = {"weight": torch.tensor([7.0])}
    average.on_validation_start(None, task)
    assert task.weight.item() == 7.0
    average.on_validation_end(None, task)
    assert (task.weight.item(), average.average["weight"].item()) == (1.0, 7.0)
