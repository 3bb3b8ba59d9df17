namespace OrleansPd.Engines.Requests;

/// <summary>A top-level member of interest, with what its removal needs to know.</summary>
internal struct RecordedMember
{
    public RequestMember Name;

    /// <summary>Position among all members of the object, from 0.</summary>
    public int Ordinal;

    /// <summary>Offset of the key's opening quote.</summary>
    public int Start;

    public Slice Key;
    public Slice Value;

    /// <summary>End of the member before this one, -1 for the first.</summary>
    public int PreviousEnd;

    /// <summary>Start of the member after this one, -1 for the last.</summary>
    public int Follow;

    /// <summary>
    /// Start of its elements in the shape's list of items, for lists with one element for each prompt of a batch.
    /// </summary>
    public int ItemsStart, ItemCount;

    public JsonCounts Counts;
}

/// <summary>
/// Ranges that remove every member of a set (one bit for each <see cref="RequestMember"/>) together with the right commas: a
/// member with the comma after it, a run of members at the end of the object with the comma before it, if another member
/// stays before it.
/// </summary>
internal ref struct CutPlan(ReadOnlySpan<RecordedMember> members, ulong dropped)
{
    private readonly ReadOnlySpan<RecordedMember> _members = members;
    private int _at;

    /// <summary>Number of members removed by the ranges so far.</summary>
    public int Removed { get; private set; }

    public bool Next(out Slice cut)
    {
        while (_at < _members.Length && !Drops(_members[_at]))
            _at++;
        cut = default;
        if (_at == _members.Length)
            return false;
        ref readonly var first = ref _members[_at++];
        ref readonly var last = ref first;
        while (_at < _members.Length && Drops(_members[_at]) && _members[_at].Ordinal == last.Ordinal + 1)
            last = ref _members[_at++];
        Removed += last.Ordinal - first.Ordinal + 1;
        var start = last.Follow >= 0 || first.PreviousEnd < 0 ? first.Start : first.PreviousEnd;
        cut = Slice.Between(start, last.Follow >= 0 ? last.Follow : last.Value.End);
        return true;
    }

    private readonly bool Drops(in RecordedMember member) => (dropped >> (int)member.Name & 1) != 0;
}
