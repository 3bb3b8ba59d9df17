namespace OrleansPd.Gateway.Management;

/// <summary>
/// Reads the bodies of the management API. Strict: an operator would search hours for a misspelt member that is ignored. Messages
/// name members and rules, never values, because a value may be a key.
/// </summary>
internal static class WorkerRequests
{
    /// <summary>
    /// Members of the SGLang gateway without effect here: our health checks differ, and engines tokenize and parse.
    /// </summary>
    private static readonly string[] Ignored =
    [
        "runtime", "runtime_type", "tokenizer_path", "reasoning_parser", "tool_parser", "chat_template", "connection_mode",
        "health_check_timeout_secs", "health_check_interval_secs", "health_success_threshold", "health_failure_threshold",
        "max_connection_attempts", "disable_health_check", "dp_aware",
    ];

    /// <summary>Null = <paramref name="problem"/> says what is wrong.</summary>
    public static WorkerSpec? Spec(ReadOnlyMemory<byte> body, out string? problem)
    {
        string? url = null, type = null, key = null, model = null;
        int? port = null, priority = null, dp = null;
        double? cost = null;
        ImmutableDictionary<string, string>? labels = null;
        problem = Read(body, (name, value) => name switch
        {
            "url" => Text(value, name, out url),
            "worker_type" => Text(value, name, out type),
            "api_key" => Key(value, out key),
            "model_id" => Text(value, name, out model),
            "bootstrap_port" => Whole(value, name, 1, 65535, out port),
            "priority" => Whole(value, name, 0, 255, out priority),
            "cost" => Cost(value, out cost),
            "labels" => Labels(value, out labels),
            "dp_size" => Whole(value, name, 1, 1024, out dp),
            _ => Ignored.Contains(name) ? null : Unknown(name),
        });
        if (problem is not null || (problem = Address(url, out var address)) is not null
            || (problem = Role(type ?? "regular", out var role)) is not null)
        {
            return null;
        }
        if (port is not null && role != WorkerRole.Prefill)
        {
            problem = "'bootstrap_port' is for prefill workers only.";
            return null;
        }
        return new WorkerSpec
        {
            Url = address!,
            Role = role,
            ApiKey = string.IsNullOrEmpty(key) ? null : key,
            Model = string.IsNullOrEmpty(model) ? null : model,
            BootstrapPort = port,
            Priority = priority ?? 50,
            Cost = cost ?? 1,
            Labels = labels,
            DpSize = dp,
        };
    }

    public static WorkerPatch? Patch(ReadOnlyMemory<byte> body, out string? problem)
    {
        string? key = null;
        int? priority = null;
        double? cost = null;
        ImmutableDictionary<string, string>? labels = null;
        problem = Read(body, (name, value) => name switch
        {
            "priority" => Whole(value, name, 0, 255, out priority),
            "cost" => Cost(value, out cost),
            "labels" => Labels(value, out labels),
            "api_key" => Key(value, out key),
            "url" or "worker_type" or "model_id" or "bootstrap_port" or "dp_size" =>
                $"'{name}' cannot be changed; remove the worker and add it again, or switch its role.",
            _ => Unknown(name),
        });
        return problem is null ? new WorkerPatch { Priority = priority, Cost = cost, Labels = labels, ApiKey = key } : null;
    }

    public static WorkerRole? NewRole(ReadOnlyMemory<byte> body, out string? problem)
    {
        string? text = null;
        problem = Read(body, (name, value) => name is "role" or "new_role" ? Text(value, name, out text) : Unknown(name));
        if (problem is null && text is not ("prefill" or "decode"))
            problem = "'role' must be prefill or decode.";
        return problem is not null ? null : text == "prefill" ? WorkerRole.Prefill : WorkerRole.Decode;
    }

    /// <summary>Null = <paramref name="problem"/> says what is wrong.</summary>
    public static PoolTarget? Target(PoolName pool, ReadOnlyMemory<byte> body, out string? problem)
    {
        int? wanted = null;
        var (isSet, drain) = (false, false);
        problem = Read(body, (name, value) =>
        {
            switch (name)
            {
                case "wanted":
                    isSet = true;
                    return value.ValueKind == JsonValueKind.Null ? null : Whole(value, name, 0, PoolTarget.Max, out wanted);
                case "drain_surplus":
                    drain = value.ValueKind == JsonValueKind.True;
                    return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? null
                        : "'drain_surplus' must be true or false.";
                default:
                    return Unknown(name);
            }
        }, nulls: true);
        problem ??= isSet ? null : $"'wanted' must be a whole number from 0 to {PoolTarget.Max}, or null.";
        var target = new PoolTarget(pool, wanted, drain);
        problem ??= target.Problem;
        return problem is null ? target : null;
    }

    /// <summary>Null = good.</summary>
    public static string? Address(string? text, out Uri? address)
    {
        address = null;
        if (text is not { Length: > 0 and <= 2048 } || !Uri.TryCreate(text, UriKind.Absolute, out var url)
            || url.Scheme is not ("http" or "https") || url.Host.Length == 0)
        {
            return "'url' must be an absolute http or https address, such as http://10.0.0.1:30000.";
        }
        if (url.AbsolutePath != "/" || url.Query.Length > 0 || url.Fragment.Length > 0 || url.UserInfo.Length > 0)
            return "'url' must be scheme, host and port alone: no path, query or user.";
        address = WorkerAddress.Canonical(url);
        return null;
    }

    public static string? Role(string text, out WorkerRole role)
    {
        role = text switch { "prefill" => WorkerRole.Prefill, "decode" => WorkerRole.Decode, _ => WorkerRole.Regular };
        return text is "prefill" or "decode" or "regular" ? null : "'worker_type' must be regular, prefill or decode.";
    }

    /// <param name="body">What was sent.</param>
    /// <param name="take">Reads one member; returns what is wrong with it.</param>
    /// <param name="nulls">Members that are null are read too.</param>
    private static string? Read(ReadOnlyMemory<byte> body, Func<string, JsonElement, string?> take, bool nulls = false)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                return "The body must be a JSON object.";
            foreach (var member in document.RootElement.EnumerateObject())
            {
                if ((nulls || member.Value.ValueKind != JsonValueKind.Null) && take(member.Name, member.Value) is { } problem)
                    return problem;
            }
            return null;
        }
        catch (JsonException)
        {
            return "The body must be a JSON object.";
        }
    }

    private static string Unknown(string name) => $"'{(name.Length > 64 ? name[..64] : name)}' is not a known member.";

    private static string? Text(JsonElement value, string name, out string? text)
    {
        text = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return text is null ? $"'{name}' must be a string." : null;
    }

    /// <summary>A key becomes a header value, so only visible ASCII is accepted.</summary>
    private static string? Key(JsonElement value, out string? key)
    {
        var problem = Text(value, "api_key", out key);
        return problem ?? (key!.Length > 4096 || key.AsSpan().ContainsAnyExceptInRange('!', '~')
            ? "'api_key' must be visible ASCII without blanks, at most 4096 characters." : null);
    }

    private static string? Whole(JsonElement value, string name, int min, int max, out int? number)
    {
        number = value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var n) && n >= min && n <= max ? n : null;
        return number is null ? $"'{name}' must be a whole number from {min} to {max}." : null;
    }

    private static string? Cost(JsonElement value, out double? cost)
    {
        cost = value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var n) && n is >= 0.0001 and <= 1_000_000 ? n
            : null;
        return cost is null ? "'cost' must be a number from 0.0001 to 1000000." : null;
    }

    private static string? Labels(JsonElement value, out ImmutableDictionary<string, string>? labels)
    {
        labels = null;
        if (value.ValueKind != JsonValueKind.Object
            || value.EnumerateObject().Any(l => l.Value.ValueKind != JsonValueKind.String))
        {
            return "'labels' must be an object of strings.";
        }
        var found = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var label in value.EnumerateObject())
            found[label.Name] = label.Value.GetString()!;
        labels = found.ToImmutable();
        return labels.Count > 64 ? "'labels' must be 64 at most." : null;
    }
}
