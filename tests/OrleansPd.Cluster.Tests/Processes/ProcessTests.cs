namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>
/// Tests that start processes run one after the other, with nothing beside them: silos must not look dead for want of a CPU.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcessTests
{
    public const string Name = "processes";
}
