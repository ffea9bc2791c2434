//! Members and groups: how series that collapse become one, truthfully.
