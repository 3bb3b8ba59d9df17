using System.ComponentModel.DataAnnotations;

namespace OrleansPd.Cluster.Options;

/// <summary>How the parts of a cluster talk to each other. Configuration section <c>Cluster</c>.</summary>
public sealed class PdClusterOptions
{
    /// <summary>Name of the grain storage that pools and the fleet are kept in.</summary>
    public const string Storage = "orleanspd";

    /// <summary>
    /// Pause between two reports of a gateway to a worker's writer while nothing is scarce, 10-10000 ms. Default 200.
    /// </summary>
    [Range(10, 10_000)]
    public int SyncIntervalMs { get; set; } = 200;

    /// <summary>The same where places are scarce or something failed, 1-1000 ms. Default 10.</summary>
    [Range(1, 1000)]
    public int SyncUrgentMs { get; set; } = 10;

    /// <summary>
    /// Least pause between two times that a gateway tells another silo what it has on the engines, 5-10000 ms. Default 25. It
    /// grows by a millisecond for each ten requests that are told of, so that telling costs about a hundredth of a core and no
    /// more. What was begun within this time before a gateway died, nobody else knows of: it ends when its engine notices the
    /// closed connection.
    /// </summary>
    [Range(5, 10_000)]
    public int WitnessIntervalMs { get; set; } = 25;

    /// <summary>
    /// Pause between two times that a gateway tells the others which prefixes and sessions it has put where, 50-60000 ms; 0 =
    /// never. Default 500. Policies that remember then choose as one gateway alone would.
    /// </summary>
    [Range(0, 60_000)]
    public int AffinityIntervalMs { get; set; } = 500;

    /// <summary>
    /// Seconds after which a gateway's credits are void when nothing was heard of it, 10-3600. Default 120. Membership notices a
    /// dead gateway within seconds; this is for when membership itself is away, and as long gateways go on without a worker's
    /// writer.
    /// </summary>
    [Range(10, 3600)]
    public int CreditSecs { get; set; } = 120;

    /// <summary>
    /// Longest time that a new writer of a worker waits to learn what gateways hold, 100-60000 ms. Default 2000.
    /// </summary>
    [Range(100, 60_000)]
    public int LearnMs { get; set; } = 2000;

    /// <summary>
    /// Time after a dead gateway's requests were aborted on an engine until their places are given to others, 0-60000 ms. Default
    /// 1100: the abort is said again after one second, for requests that the engine had not taken up before.
    /// </summary>
    [Range(0, 60_000)]
    public int AbortSettleMs { get; set; } = 1100;

    /// <summary>
    /// Pause between two looks of a pool at its workers, and of the fleet at its pools, 100-60000 ms. Default 500.
    /// </summary>
    [Range(100, 60_000)]
    public int WatchIntervalMs { get; set; } = 500;

    /// <summary>
    /// Seconds for which a silo nearer to an engine must have been there until the engine's writer moves to it, and least time
    /// between two moves of one writer, 1-3600. Default 10: a silo that comes and goes draws nobody to and fro.
    /// </summary>
    [Range(1, 3600)]
    public int MoveAfterSecs { get; set; } = 10;

    /// <summary>
    /// Seconds between two times that a gateway says it is there, and names its operator's workers again, 1-3600. Default 5.
    /// </summary>
    [Range(1, 3600)]
    public int HelloIntervalSecs { get; set; } = 5;

    /// <summary>
    /// Shards of the registered rooms, 1-4096; the same on all silos, and not to be changed while rooms are live. Default 16.
    /// </summary>
    [Range(1, 4096)]
    public int RoomShards { get; set; } = 16;
}
