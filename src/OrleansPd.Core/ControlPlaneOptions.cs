using System.ComponentModel.DataAnnotations;
using OrleansPd.Core.Fleet;

namespace OrleansPd.Core;

/// <summary>What the control plane is told by its operator. Configuration section <c>ControlPlane</c>.</summary>
public sealed class ControlPlaneOptions
{
    /// <summary>Workers known from the start. More can come and go while running.</summary>
    public List<WorkerSpec> Workers { get; init; } = [];

    /// <summary>Policy for both roles where no own one is given. Default <c>cache_aware</c>, as in the SGLang router.</summary>
    [Required]
    public string Policy { get; set; } = "cache_aware";

    /// <summary>Policy for prefill workers; null = <see cref="Policy"/>.</summary>
    public string? PrefillPolicy { get; set; }

    /// <summary>Policy for decode workers; null = <see cref="Policy"/>.</summary>
    public string? DecodePolicy { get; set; }
}

/// <summary>A worker as its operator names it.</summary>
public sealed class WorkerSpec
{
    /// <summary>Base URL of the engine's API, http or https.</summary>
    [Required]
    public required Uri Url { get; init; }

    public required WorkerRole Role { get; init; }

    /// <summary>Port of a prefill's KV bootstrap server, 1-65535; null = read from the engine.</summary>
    [Range(1, 65535)]
    public int? BootstrapPort { get; init; }

    /// <summary>Key sent to the engine as a bearer token; never shown.</summary>
    public string? ApiKey { get; init; }
}
