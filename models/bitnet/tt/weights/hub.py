# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Finding a checkpoint: on disk, or on the Hugging Face hub."""

from pathlib import Path

_WANTED = ["*.json", "*.safetensors", "*.jinja"]


def find_checkpoint(name: str) -> Path:
    """The folder or the GGUF file of a checkpoint.

    `name` is a folder or a GGUF file, which is returned as it is; an id on the Hugging Face hub, `owner/model`; or a
    GGUF file there, `owner/model/file.gguf`. Of a model on the hub the weights in safetensors, the configs and the
    tokenizer are downloaded; where it has no safetensors, its only GGUF file. Raises ValueError if `name` is none of
    these.
    """
    path = Path(name)
    if path.is_dir() or (path.suffix == ".gguf" and path.is_file()):
        return path
    from huggingface_hub import hf_hub_download, list_repo_files, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        if path.suffix == ".gguf" and len(path.parts) > 2:
            return Path(hf_hub_download("/".join(path.parts[:2]), "/".join(path.parts[2:])))
        folder = Path(snapshot_download(name, allow_patterns=_WANTED))
        files = [file.name for file in folder.glob("*.gguf")]  # of an earlier download
        if not files and not any(folder.glob("*.safetensors")):
            files = [file for file in list_repo_files(name) if file.endswith(".gguf")]
        if not files or any(folder.glob("*.safetensors")):
            return folder
        if len(files) == 1:
            return Path(hf_hub_download(name, files[0]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{name} is neither a folder nor a GGUF file nor on the hub: {reason}") from None
    raise ValueError(f"{name} has {len(files)} GGUF files; name one: {', '.join(f'{name}/{file}' for file in files)}")
