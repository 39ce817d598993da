// Limits of virtual hosts and of users.

import * as api from "../api.js";
import * as session from "../session.js";
import {fill} from "../dom.js";
import {limitPart} from "../limit_parts.js";
import {userNames} from "../permission_parts.js";

export const title = "Limits";

export async function show(page) {
  const isAdministrator = session.isAdministrator();
  const users = isAdministrator ? await userNames(page.signal) : [];
  const vhosts = isAdministrator ? session.knownVhosts() : [];
  const ofVhosts = limitPart("vhost", vhosts, () => repeat.now(), {heading: "Limits of virtual hosts"});
  const ofUsers = limitPart("user", users, () => repeat.now(), {heading: "Limits of users"});
  fill(page.view, ofVhosts.element, ofUsers.element);
  const repeat = page.every(null, async (signal) => {
    const [vhostLimits, userLimits] = await Promise.all([
      api.get("/vhost-limits", {}, {signal}),
      api.get("/user-limits", {}, {signal}),
    ]);
    ofVhosts.update(vhostLimits);
    ofUsers.update(userLimits);
  });
}
