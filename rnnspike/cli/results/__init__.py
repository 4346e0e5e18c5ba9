"""Commands that read finished runs: tables, comparisons, reports, exports, citations."""
