"""Georeferenced scenes of any size: tiles through the network, instances in the scene's CRS.

A scene is read, segmented and written window by window. Pixel coordinates here are those of the
whole scene, x along its columns and y along its rows, pixel edges; the scene's affine transform
leads from them to map coordinates.
"""

from monai_cobot.errors import CobotError

try:
    import rasterio as _rasterio  # noqa: F401
    import shapely as _shapely  # noqa: F401
except ImportError as _error:
    raise CobotError(
        f"scenes need rasterio and shapely ({_error}): pip install 'monai-cobot[scenes]'"
    ) from _error

from monai_cobot.scenes.boxes_file import SceneBox, read_boxes
from monai_cobot.scenes.model import SceneModel, load_scene_model
from monai_cobot.scenes.run import Settings, segment_scene
from monai_cobot.scenes.scene import Scene

__all__ = [
    "Scene",
    "SceneBox",
    "SceneModel",
    "Settings",
    "load_scene_model",
    "read_boxes",
    "segment_scene",
]
