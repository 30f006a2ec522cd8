//! Values and names that some peer could not keep as they are: each is refused where it is written, or the same
//! everywhere; what comes from a server is applied or put aside alone. Nothing ever waits behind one.

mod incoming;
mod values;
mod written;
