// Some tests read what is written to the console, of which there is one; and each starts processes enough for two cores.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
