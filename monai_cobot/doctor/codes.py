"""The codes of findings and their severity; docs/doctor.md says what each means."""

from __future__ import annotations

ERRORS = (
    # files and lists
    *("reader", "missing_file", "missing_image", "missing_label", "case_twice", "id_twice"),
    *("datalist_entry", "json_unreadable", "label_table", "image_entry"),
    *("annotation_of_nothing", "annotation_unusable", "unknown_category", "categories_lacking"),
    # volumes
    *("image_unreadable", "label_unreadable", "image_axes", "image_affine", "image_not_finite"),
    *("label_shape", "label_affine", "label_values", "label_not_whole", "label_outside_table"),
    *("label_empty", "image_constant", "spacing_implausible", "not_hounsfield"),
    *("orientation_flipped", "labels_swapped"),
    # pictures
    *("image_bits", "image_transparent", "image_size", "instance_twice", "class_unknown"),
    *("box_malformed", "box_outside", "mask_unreadable", "mask_size", "mask_empty", "mask_values"),
    "no_target",
    # patients and parts
    *("duplicate_image", "image_in_two_parts", "case_in_two_parts", "patient_in_two_parts"),
    *("split_unreadable", "split_case_absent", "split_case_unnamed"),
)
WARNINGS = (
    *("reader_note", "not_listed", "duplicate_label", "patient_spelling", "copies_of_a_patient"),
    *("header_units", "header_affines", "header_spacing", "affine_sheared", "orientation_differs"),
    *("spacing_outlier", "intensity_range", "label_in_air", "organ_nowhere", "organ_tiny"),
    *("organ_position", "no_outline", "box_empty", "published_parts_overlap"),
)
INFOS = ("organ_absent",)


def severity_of(code: str) -> str:
    """The usual severity of a code; of a code that a reader of one's own made up, "error"."""
    if code in WARNINGS:
        return "warning"
    return "info" if code in INFOS else "error"
