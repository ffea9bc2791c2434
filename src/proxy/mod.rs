//! Listener, request -> target, upstream client, headers, body, one place that turns an error into a response.
