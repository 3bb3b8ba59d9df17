namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>
/// Tests that start processes run one at a time and alone: a silo without processor time would be declared dead.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcessTests
{
    public const string Name = "processes";
}
