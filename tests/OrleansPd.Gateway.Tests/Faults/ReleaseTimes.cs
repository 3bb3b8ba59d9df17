namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Tests that measure run alone.</summary>
[CollectionDefinition(nameof(ReleaseTimes), DisableParallelization = true)]
public class ReleaseTimes;
