# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Finding a checkpoint's folder."""

from pathlib import Path

_WANTED = ["*.json", "*.safetensors", "*.jinja"]


def find_checkpoint(name: str) -> Path:
    """The folder of a checkpoint. `name` is a folder, which is returned as it is, or an id on the Hugging Face hub.

    Only the weights, configs and the tokenizer are downloaded from the hub. Raises ValueError if `name` is neither.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=_WANTED))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{name} is neither a folder nor a model that the hub gives: {reason}") from None
