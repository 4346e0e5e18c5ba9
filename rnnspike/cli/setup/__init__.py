"""Commands that set rnnspike up."""
