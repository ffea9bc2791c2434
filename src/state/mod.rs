//! Policy handle (compile, then swap), endpoints (the only locks), clock.
