using OrleansPd.Tools.Replay;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Tools.Demo;

/// <summary>The options of a demo.</summary>
internal sealed record DemoOptions
{
    public DemoFleetOptions Fleet { get; init; } = new();

    /// <summary>Port of the gateway; 0 = any free port.</summary>
    public int Port { get; init; } = 30000;

    public bool Once { get; init; }
    public bool Processes { get; init; }
    public required Trace Trace { get; init; }

    /// <summary>How the trace is sent; the address is filled in when the gateway listens.</summary>
    public required ReplayOptions Replay { get; init; }

    /// <summary>File for the report; null = none.</summary>
    public string? Json { get; init; }
}
