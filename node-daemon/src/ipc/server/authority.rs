//! Who may connect, and as what (spec 62 §6.2).

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use crate::ipc::clients::{Access, Credentials};

/// The cluster's user.
pub const CLUSTER_USER: &str = "hacluster";
/// The group whose members may connect.
const GROUP: &str = "haclient";
/// User of a process whose user has no name; no access is granted to it by any ordinary ACL.
const NAMELESS: &str = "#unprivileged";

/// Whom the machine knows as whom.
#[derive(Debug, Clone)]
pub struct Authority {
    own: Uid,
    cluster_user: Option<Uid>,
    cluster_group: Option<Gid>,
}

impl Authority {
    /// As the machine is configured.
    pub fn of_system() -> Authority {
        let cluster_user = User::from_name(CLUSTER_USER).ok().flatten().map(|user| user.uid);
        let cluster_group = Group::from_name(GROUP).ok().flatten().map(|group| group.gid);
        Authority { own: Uid::effective(), cluster_user, cluster_group }
    }

    /// The group whose members may connect, if the machine has it.
    pub fn group(&self) -> Option<Gid> {
        self.cluster_group
    }

    /// What a client may do; nothing if it may not even connect.
    pub fn access(&self, client: Credentials) -> Option<Access> {
        let uid = Uid::from_raw(client.uid);
        let privileged = uid.is_root() || uid == self.own || Some(uid) == self.cluster_user;
        let known = User::from_uid(uid).ok().flatten();
        let allowed = privileged || self.is_member(client, known.as_ref());
        let user = known.map_or_else(|| NAMELESS.to_owned(), |user| user.name);
        allowed.then_some(Access { pid: client.pid, user, privileged })
    }

    fn is_member(&self, client: Credentials, user: Option<&User>) -> bool {
        let Some(group) = self.cluster_group else { return false };
        if client.gid == group.as_raw() {
            return true;
        }
        user.is_some_and(|user| group_ids(user).contains(&group))
    }
}

fn group_ids(user: &User) -> Vec<Gid> {
    let Ok(name) = std::ffi::CString::new(user.name.as_str()) else { return Vec::new() };
    getgrouplist(&name, user.gid).unwrap_or_default()
}

/// The groups a user is in, as this machine knows them; none if it does not know the user.
pub fn groups_of(user: &str) -> Vec<String> {
    let Ok(Some(user)) = User::from_name(user) else { return Vec::new() };
    let groups = group_ids(&user).into_iter().filter_map(|id| Group::from_gid(id).ok().flatten());
    groups.map(|group| group.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(uid: u32, gid: u32) -> Credentials {
        Credentials { pid: 1, uid, gid }
    }

    #[test]
    fn root_the_daemons_and_the_clusters_user_are_privileged() {
        let authority = Authority {
            own: Uid::from_raw(4_000_000_001),
            cluster_user: Some(Uid::from_raw(4_000_000_002)),
            cluster_group: Some(Gid::from_raw(4_000_000_003)),
        };
        let privileged =
            |uid, gid| authority.access(client(uid, gid)).map(|access| access.privileged);
        assert_eq!(privileged(0, 0), Some(true));
        assert_eq!(privileged(4_000_000_001, 9), Some(true));
        assert_eq!(privileged(4_000_000_002, 9), Some(true));
        assert_eq!(privileged(4_000_000_009, 4_000_000_003), Some(false));
        assert_eq!(privileged(4_000_000_009, 9), None);
        assert_eq!(authority.access(client(4_000_000_009, 4_000_000_003)).unwrap().user, NAMELESS);
    }
}
