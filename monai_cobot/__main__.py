"""``python -m monai_cobot``, the same as the console script ``monai-cobot``."""

from monai_cobot.cli import main

if __name__ == "__main__":
    main()
