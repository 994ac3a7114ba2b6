import lightning
import pytest
import torch
from helpers.labelled_structures import crystals, mixed

from atomgraph.data import GraphDataModule, build_graphs
from atomgraph.errors import DataError


@pytest.fixture(scope="module")
def graphs():
    return build_graphs([*mixed(), *crystals(14, seed=9)], 4.0)


class EnergyOfAnAtom(lightning.LightningModule):
    """The smallest model: one number. Keeps which positions it saw, and stops where it is told to."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.energy = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.stop_at, self.seen = stop_at, []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, float(batch.pos.sum()), batch.window_counts.tolist()))
        sizes = torch.bincount(batch.batch, minlength=batch.n_graphs)
        off = (self.energy - batch.energy / sizes)[batch.energy_mask]
        return off.square().sum() / batch.window_counts[0].clamp(min=1) * self.trainer.accumulate_grad_batches

    def on_train_batch_end(self, outputs, batch, batch_idx):
        if self.stop_at is not None and self.global_step == self.stop_at:
            self.trainer.save_checkpoint(self.trainer.default_root_dir + "/stop.ckpt")
            self.trainer.should_stop = True

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.05)


def trained(graphs, folder, stop_at=None, resume=None, **options):
    trainer = lightning.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=str(folder), use_distributed_sampler=False, **options,
    )  # fmt: skip
    model = EnergyOfAnAtom(stop_at)
    trainer.fit(model, datamodule=GraphDataModule(graphs, edge_budget=200, seed=4), ckpt_path=resume)
    return model


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("stop_at", [2, 7])
def test_a_run_resumed_inside_an_epoch_continues_with_the_next_batch_and_ends_bit_equal(graphs, tmp_path, stop_at):
    whole = trained(graphs, tmp_path, accumulate_grad_batches=2)
    stopped = trained(graphs, tmp_path, stop_at, accumulate_grad_batches=2)
    resumed = trained(graphs, tmp_path, resume=str(tmp_path / "stop.ckpt"), accumulate_grad_batches=2)
    assert len(stopped.seen) == 2 * stop_at and stopped.seen + resumed.seen == whole.seen
    assert float(resumed.energy) == float(whole.energy)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_every_epoch_shows_all_structures_in_another_order(graphs, tmp_path):
    seen = trained(graphs, tmp_path).seen
    epochs = [[position for epoch, position, _ in seen if epoch == number] for number in range(3)]
    assert sum(epochs[0]) == pytest.approx(sum(epochs[2])) and epochs[0] != epochs[1]


def test_the_largest_batch_is_that_of_the_first_epoch(graphs):
    module = GraphDataModule(graphs, edge_budget=200)
    assert module.largest_batch().n_edges == max(batch.n_edges for batch in module.train_dataloader())


def test_the_automatic_budget_fits_any_structure_and_gives_many_steps(graphs):
    module = GraphDataModule(graphs * 20)
    assert module.edge_budget >= max(graph.n_edges for graph in graphs)
    assert 40 <= len(module.train_dataloader()) <= 80


def test_parts_that_are_empty_have_no_loader(graphs):
    module = GraphDataModule(graphs, test=graphs[:3])
    assert module.val_dataloader() == [] and len(list(module.test_dataloader())) >= 1
    with pytest.raises(DataError, match="training part has no structures"):
        GraphDataModule([])
