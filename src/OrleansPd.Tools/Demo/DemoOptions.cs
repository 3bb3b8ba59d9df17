using OrleansPd.Tools.Replay;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Tools.Demo;

/// <summary>What one demo shows.</summary>
internal sealed record DemoOptions
{
    public DemoFleetOptions Fleet { get; init; } = new();

    /// <summary>Port of the gateway; 0 = any free one.</summary>
    public int Port { get; init; } = 30000;

    /// <summary>End after the report.</summary>
    public bool Once { get; init; }

    /// <summary>Each engine and the gateway in a process of its own.</summary>
    public bool Processes { get; init; }

    public required Trace Trace { get; init; }

    /// <summary>How the trace is sent; the address is filled in when the gateway listens.</summary>
    public required ReplayOptions Replay { get; init; }

    /// <summary>File for the figures; null = none.</summary>
    public string? Json { get; init; }
}
