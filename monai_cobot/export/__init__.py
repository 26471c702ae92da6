"""Fine-tuned SAMs for other libraries: LoRA for Hugging Face's peft and transformers."""

from monai_cobot.export.peft_lora import export_peft
from monai_cobot.export.transformers_sam import sam_config, to_transformers

__all__ = ["export_peft", "sam_config", "to_transformers"]
