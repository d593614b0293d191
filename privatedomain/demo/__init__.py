"""The demo: a brand with regions, stores and dealers, its accounts and its people."""
