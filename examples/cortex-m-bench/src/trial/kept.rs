//! The costliest packets that searches have found. `worst` prints them in this form.
