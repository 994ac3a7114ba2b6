"""atomgraph models"""

from __future__ import annotations

from rich.table import Table

from atomgraph.catalogue import public_models
from atomgraph.catalogue.download import cache_folder, cached_path
from atomgraph.progress import output_console


def models() -> None:
    """List the public models that can be given by name as MODEL."""
    table = Table("name", "licence", "trained on", "verified by", "downloaded", box=None, pad_edge=False)
    for model in public_models().values():
        table.add_row(
            model.name, model.licence, model.theory, model.verified_by, "yes" if cached_path(model).is_file() else ""
        )
    console = output_console(soft_wrap=True)
    console.print(table)
    console.print(
        "\nnot verified: the publishers give no checksum; later downloads must have the SHA-256 of the first download"
    )
    console.print(f"Models are downloaded once, to {cache_folder()}. ASL: licence for non-commercial use.")
