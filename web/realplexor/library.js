// The library of Realplexor.
