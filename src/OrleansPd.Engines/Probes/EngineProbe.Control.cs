namespace OrleansPd.Engines.Probes;

/// <summary>An engine's load, and the switch of its role.</summary>
public sealed partial class EngineProbe
{
    private static readonly TimeSpan LoadTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SwitchTimeout = TimeSpan.FromSeconds(60);

    public async Task<EngineLoad> LoadAsync(WorkerSpec worker, CancellationToken cancellationToken)
    {
        var reply = await GetAsync(worker, "/v1/loads?include=core,disagg", LoadTimeout, cancellationToken)
            .ConfigureAwait(false);
        if (reply.IsOk && LoadReader.Loads(reply.AnyJson()) is { } load)
            return load;
        // SGLang before 0.5.8 has an older form.
        if (!reply.IsUnknownPath)
            return EngineLoad.Failed(Why(reply, "/v1/loads").Problem!);
        var old = await GetAsync(worker, "/get_load", LoadTimeout, cancellationToken).ConfigureAwait(false);
        return old.IsOk && LoadReader.OldLoad(old.AnyJson()) is { } oldLoad ? oldLoad
            : EngineLoad.Failed(Why(old, "/get_load").Problem!);
    }

    public async Task<RoleSwitchAnswer> SwitchRoleAsync(WorkerSpec worker, WorkerRole role, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(worker);
        var body = JsonSerializer.SerializeToUtf8Bytes(new { new_role = role == WorkerRole.Prefill ? "prefill" : "decode" });
        var reply = await PostAsync(
            worker.Url, "/pd_role_switch", worker.ApiKey, body, SwitchTimeout, cancellationToken).ConfigureAwait(false);
        if (reply.Problem is not null)
            return new(RoleSwitchOutcome.Refused, Why(reply, "/pd_role_switch").Problem!);
        var answer = reply.AnyJson();
        var success = answer is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty("success", out var flag)
            && flag.ValueKind == JsonValueKind.True;
        if (reply.IsOk && success)
            return new(RoleSwitchOutcome.Switched, "");
        var message = reply.IsUnknownPath
            ? "its engine has no /pd_role_switch: this build cannot switch roles"
            : ErrorBody.Extract(reply.Body) is { Length: > 0 } text ? text : $"/pd_role_switch answered {reply.Status}";
        if (worker.ApiKey is { Length: > 0 } key)
        {
            message = message.Replace(key, "***", StringComparison.Ordinal); // an engine may quote its input
        }
        return new(message.Contains("not idle", StringComparison.OrdinalIgnoreCase) ? RoleSwitchOutcome.Busy
            : RoleSwitchOutcome.Refused, message);
    }
}
