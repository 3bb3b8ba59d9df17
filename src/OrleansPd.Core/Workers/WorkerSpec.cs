using System.ComponentModel.DataAnnotations;

namespace OrleansPd.Core.Workers;

/// <summary>A worker as its operator configured it. Values here override what the engine reports.</summary>
public sealed record WorkerSpec
{
    /// <summary>Base URL of the engine's API, http or https.</summary>
    [Required]
    public required Uri Url { get; init; }

    public required WorkerRole Role { get; init; }

    /// <summary>Name of the worker; null = its canonical URL.</summary>
    public WorkerId? Id { get; init; }

    /// <summary>Port of a prefill's KV bootstrap server, 1-65535; null = read from the engine.</summary>
    [Range(1, 65535)]
    public int? BootstrapPort { get; init; }

    /// <summary>Key sent to the engine as a bearer token; never in logs or answers.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Model name that clients send; null = as the engine reports.</summary>
    public string? Model { get; init; }

    /// <summary>
    /// Data-parallel ranks, 1-1024; null = read from the engine (Rust front ends of decode engines do not report it).
    /// </summary>
    [Range(1, 1024)]
    public int? DpSize { get; init; }

    /// <summary>
    /// 0-255; among workers that the policy ranks equal the higher one is used; default 50 as in the SGLang gateway.
    /// </summary>
    [Range(0, 255)]
    public int Priority { get; init; } = 50;

    /// <summary>
    /// Above 0, default 1. Stored and returned for callers that sort by it, as in the SGLang gateway; no policy reads it.
    /// </summary>
    [Range(0.0001, 1_000_000)]
    public double Cost { get; init; } = 1;

    public ImmutableDictionary<string, string>? Labels { get; init; }

    /// <summary>For logs: never the key.</summary>
    public override string ToString() => $"{Role} {Id?.Value ?? Url.ToString()}";
}
